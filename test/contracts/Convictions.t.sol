// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice One key under two results of one job, and who may give orders to registry and escrow.
contract ConvictionsTest is MarketTest {
    bytes32 private constant JOB = keccak256("job");
    address private constant REPORTER = address(0x4e9);

    function test_twoResultsOfOneJobUnderOneKeyCostTheBond() public {
        IJobEscrow.Attestation[2] memory pair = _contradicting();
        bytes32[2] memory digests = [_attestDigest(pair[0]), _attestDigest(pair[1])];
        vm.expectEmit();
        emit IDisputes.OperatorConvicted(JOB, members[1], digests);
        _convict(pair, keys[1], keys[1]);
        _eq(REPORTER.balance, BOND / 10, "the reporter's tenth");
        _eq(operators.operators(members[1]).bondWei, 0, "slashed");
        _eq(address(operators).balance, 2 * uint256(BOND), "the others are not");
        // And once.
        _refused(pair, keys[1], keys[1], abi.encodeWithSelector(IDisputes.NothingToSlash.selector, members[1]));
    }

    /// In whatever the two differ: a party that signed twice has let the buyer be told two things.
    function test_anyDifferenceIsAContradiction() public {
        bytes memory original = abi.encode(_attestation(JOB, keccak256("payouts")));
        for (uint256 word = 1; word < 4; ++word) {
            IJobEscrow.Attestation memory other =
                abi.decode(_flipped(original, word), (IJobEscrow.Attestation));
            _convict([_attestation(JOB, keccak256("payouts")), other], keys[word - 1], keys[word - 1]);
            _eq(operators.operators(members[word - 1]).bondWei, 0, "slashed");
        }
    }

    function test_whatIsNoContradictionCostsNothing() public {
        IJobEscrow.Attestation[2] memory pair = _contradicting();
        // Of two keys; of a key and nobody's.
        _noContradiction(pair, keys[0], keys[1]);
        _noContradiction(pair, keys[0], 0xdead);
        // The same twice.
        pair[1] = pair[0];
        _noContradiction(pair, keys[0], keys[0]);
        // Of two jobs, in either order.
        pair = _contradicting();
        pair[1].job = keccak256("another job");
        _noContradiction(pair, keys[0], keys[0]);
        (pair[0], pair[1]) = (pair[1], pair[0]);
        _noContradiction(pair, keys[0], keys[0]);
        _eq(address(operators).balance, 3 * uint256(BOND), "the bonds stand");
    }

    /// Both malformed signatures recover to the same address, which is nobody's.
    function test_malformedSignaturesConvictNobody() public {
        IJobEscrow.Attestation[2] memory pair = _contradicting();
        bytes32[2][2] memory signatures;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoContradiction.selector));
        disputes.convict(pair, signatures);
        // One is not signed by turning the other's parity.
        signatures = [_sign(keys[0], _attestDigest(pair[0])), _sign(keys[0], _attestDigest(pair[0]))];
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoContradiction.selector));
        disputes.convict(pair, signatures);
    }

    function test_wordsForOtherContractsAndChainsCostNothing() public {
        IJobEscrow.Attestation[2] memory pair = _contradicting();
        bytes32[2][2] memory signatures =
            [_sign(keys[0], _attestDigest(pair[0])), _sign(keys[0], _attestDigest(pair[1]))];
        vm.chainId(block.chainid + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoContradiction.selector));
        disputes.convict(pair, signatures);
    }

    function test_aKeyOfNoOperatorHasNothingToLose() public {
        _refused(
            _contradicting(), 0xdead, 0xdead, abi.encodeWithSelector(IDisputes.NothingToSlash.selector, address(0))
        );
    }

    function test_aReplacedKeyStillStandsForItsOperator() public {
        _rotate(members[2], 0x2001);
        _convict(_contradicting(), keys[2], keys[2]);
        _eq(operators.operators(members[2]).bondWei, 0, "slashed");
    }

    function test_untilTheBondIsWithdrawn() public {
        for (uint256 i; i < 2; ++i) {
            vm.prank(members[i]);
            operators.requestUnbond();
        }
        vm.warp(START + UNBONDING);
        _convict(_contradicting(), keys[0], keys[0]);
        vm.prank(members[1]);
        operators.withdrawBond();
        _refused(
            _contradicting(),
            keys[1],
            keys[1],
            abi.encodeWithSelector(IDisputes.NothingToSlash.selector, members[1])
        );
    }

    /// A conviction is about a key. The job goes on: its result is what all three signed.
    function test_theJobOfAConvictedOperatorGoesOn() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        IJobEscrow.Attestation memory other = _attestation(job, keccak256("others"));
        _convict([_attestation(job, keccak256("payouts")), other], keys[0], keys[0]);
        vm.prank(BUYER);
        escrow.accept(job, outcome);
        _eq(_state(job), JobState.Settled);
    }

    // ---- who gives orders --------------------------------------------------------------------------

    function test_nobodyElseSuspendsOrOverturns() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        address[4] memory others = [BUYER, members[0], address(operators), STRANGER];
        for (uint256 i; i < 4; ++i) {
            bytes memory reason = abi.encodeWithSelector(IJobEscrow.NotDisputes.selector, others[i]);
            vm.expectRevert(reason);
            vm.prank(others[i]);
            escrow.suspend(job, outcome);
            vm.expectRevert(reason);
            vm.prank(others[i]);
            escrow.overturn(job, outcome);
        }
        _eq(_state(job), JobState.Attested);
    }

    /// The escrow itself holds the contract of disputes to the window and to the outcome.
    function test_notEvenTheContractOfDisputesSuspendsLateOrAnotherOutcome() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        outcome.buyer = STRANGER;
        bytes memory mismatch = abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, job);
        vm.expectRevert(mismatch);
        vm.prank(address(disputes));
        escrow.suspend(job, outcome);
        vm.expectRevert(mismatch);
        vm.prank(address(disputes));
        escrow.overturn(job, outcome);
        outcome.buyer = BUYER;
        vm.warp(START + WINDOW + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WindowClosed.selector, job, START + WINDOW));
        vm.prank(address(disputes));
        escrow.suspend(job, outcome);
        vm.warp(START + WINDOW);
        vm.prank(address(disputes));
        escrow.suspend(job, outcome);
        _eq(_state(job), JobState.Disputed);
    }

    function test_aDeploymentIsOfOnePiece() public {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        address[2] memory judges = [next, STRANGER];
        // Both name it; the escrow alone; the registry alone; and neither, which is a second one for this market.
        _refusedDeployment(address(escrow));
        for (uint256 which = 1; which < 4; ++which) {
            next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
            judges = [which & 1 == 1 ? next : STRANGER, which & 2 == 2 ? next : STRANGER];
            address registry = _deploy("OperatorRegistry", abi.encode(BOND, UNBONDING, judges[0]));
            address jobs = _deploy("JobEscrow", abi.encode(registry, judges[1], WINDOW, GRACE));
            if (which == 3) _deploy("Disputes", abi.encode(jobs, CHALLENGE_FEE, RESPONSE));
            else _refusedDeployment(jobs);
        }
    }

    /// In less than a minute neither a buyer nor an operator could have a transaction in a block.
    function test_noDeploymentIsTooFastForThePeople() public {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        address registry = _deploy("OperatorRegistry", abi.encode(BOND, UNBONDING, next));
        bytes memory window = abi.encode(registry, next, uint32(59), GRACE);
        _refusedContract("JobEscrow", window, IJobEscrow.WindowTooShort.selector);
        next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        registry = _deploy("OperatorRegistry", abi.encode(BOND, UNBONDING, next));
        address jobs = _deploy("JobEscrow", abi.encode(registry, next, uint32(60), GRACE));
        bytes memory response = abi.encode(jobs, CHALLENGE_FEE, uint32(59));
        _refusedContract("Disputes", response, IDisputes.ResponseTooShort.selector);
        next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        registry = _deploy("OperatorRegistry", abi.encode(BOND, UNBONDING, next));
        jobs = _deploy("JobEscrow", abi.encode(registry, next, uint32(60), GRACE));
        _deploy("Disputes", abi.encode(jobs, CHALLENGE_FEE, uint32(60)));
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _contradicting() private pure returns (IJobEscrow.Attestation[2] memory) {
        return [_attestation(JOB, keccak256("payouts")), _attestation(JOB, keccak256("others"))];
    }

    function _signed(IJobEscrow.Attestation[2] memory pair, uint256 first, uint256 second)
        private
        view
        returns (bytes32[2][2] memory)
    {
        return [_sign(first, _attestDigest(pair[0])), _sign(second, _attestDigest(pair[1]))];
    }

    function _convict(IJobEscrow.Attestation[2] memory pair, uint256 first, uint256 second) private {
        bytes32[2][2] memory signatures = _signed(pair, first, second);
        vm.prank(REPORTER);
        disputes.convict(pair, signatures);
    }

    function _refused(IJobEscrow.Attestation[2] memory pair, uint256 first, uint256 second, bytes memory reason)
        private
    {
        bytes32[2][2] memory signatures = _signed(pair, first, second);
        vm.expectRevert(reason);
        vm.prank(REPORTER);
        disputes.convict(pair, signatures);
    }

    function _noContradiction(IJobEscrow.Attestation[2] memory pair, uint256 first, uint256 second) private {
        _refused(pair, first, second, abi.encodeWithSelector(IDisputes.NoContradiction.selector));
    }

    function _refusedDeployment(address jobs) private {
        bytes memory arguments = abi.encode(jobs, CHALLENGE_FEE, RESPONSE);
        _refusedContract("Disputes", arguments, bytes4(keccak256("DeploymentInvalid()")));
    }

    function _refusedContract(string memory name, bytes memory arguments, bytes4 expected) private {
        bytes memory code =
            bytes.concat(vm.getCode(string.concat("contracts/", name, ".sol:", name)), arguments);
        address deployed;
        bytes32 reason;
        assembly ("memory-safe") {
            deployed := create(0, add(code, 0x20), mload(code))
            returndatacopy(0, 0, 4)
            reason := mload(0)
        }
        _true(deployed == address(0), "deployed");
        _true(bytes4(reason) == expected, "refused for another reason");
    }
}

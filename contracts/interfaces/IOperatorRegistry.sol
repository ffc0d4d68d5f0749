// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Registry of the operators of compute parties
/// @notice An operator is an account that posts a bond, publishes its keys, names the algorithms that it is
/// willing to run and its fee for a job. Three operators in an order are an operator set; each of them says for each
/// set which algorithms it runs there, so nobody computes with others that it did not choose.
interface IOperatorRegistry {
    enum OperatorStatus {
        None,
        Active,
        /// Takes no new jobs, until it resumes.
        Paused,
        Leaving,
        /// Lost its bond; the account never takes jobs again.
        Slashed
    }

    /// @notice The public keys of an operator.
    struct OperatorKeys {
        /// Account that signs joins, attestations and failure notices (secp256k1, EIP-712).
        address signer;
        /// X25519 key to which sellers seal shares.
        bytes32 sealKey;
        /// X25519 key that authenticates the channels between parties.
        bytes32 channelKey;
        /// X25519 key that JIFF pins.
        bytes32 jiffKey;
    }

    /// @notice Everything about an operator.
    struct Operator {
        OperatorStatus status;
        OperatorKeys keys;
        /// What the operator is paid for a job that is paid in ETH.
        uint80 feeWei;
        uint96 bondWei;
        /// Since when the bond can be withdrawn; 0 while the operator has not asked for it.
        uint40 withdrawableAtSec;
        /// host:port where its node listens for the other parties.
        string endpoint;
    }

    event OperatorRegistered(
        address indexed operator,
        address indexed signer,
        bytes32 sealKey,
        bytes32 channelKey,
        bytes32 jiffKey,
        string endpoint,
        uint256 feeWei,
        uint256 bondWei
    );
    event OperatorUpdated(
        address indexed operator,
        address indexed signer,
        bytes32 sealKey,
        bytes32 channelKey,
        bytes32 jiffKey,
        string endpoint,
        uint256 feeWei
    );
    /// @notice The operator takes no new jobs and can withdraw its bond from `withdrawableAtSec` on.
    event OperatorRetired(address indexed operator, uint256 withdrawableAtSec);
    event BondWithdrawn(address indexed operator, uint256 amountWei);
    event OperatorPaused(address indexed operator);
    event OperatorResumed(address indexed operator);
    event OperatorSlashed(address indexed operator, address indexed beneficiary, uint256 bondWei, uint256 rewardWei);
    /// @notice The operator takes jobs that are paid in the token, for this fee.
    event TokenAccepted(address indexed operator, address indexed token, uint256 fee);
    event TokenRefused(address indexed operator, address indexed token);
    event AlgorithmApproved(address indexed operator, bytes32 indexed operatorSet, bytes32 indexed algorithm);
    event AlgorithmRevoked(address indexed operator, bytes32 indexed operatorSet, bytes32 indexed algorithm);
    event SetCreated(bytes32 indexed operatorSet, address[3] members);

    error BondTooSmall(uint256 sentWei, uint256 minBondWei);
    error AlreadyRegistered(address operator);
    error NotRegistered(address operator);
    /// @notice An account registers 255 times at most.
    error RegistrationsUsedUp(address operator);
    /// @notice The operator is not registered, paused, leaving or slashed, and takes no jobs.
    error OperatorInactive(address operator);
    error AlgorithmNotApproved(bytes32 operatorSet, bytes32 algorithm, uint256 approvals);
    error TokenNotAccepted(address operator, address token);
    error NotMember(address operator, bytes32 operatorSet);
    error NotActive(address operator);
    error NotPaused(address operator);
    /// @notice Only the contract of disputes may slash.
    error NotSlasher(address caller);
    /// @notice A signing key belongs to one operator for ever, so that one key never signs for two.
    error SignerTaken(address signer, address operator);
    /// @notice The signing account has not signed that it signs for this operator.
    error PossessionUnproven(address operator, address signer);
    error KeyMissing();
    error EndpointInvalid(uint256 length);
    error MembersNotDistinct(address member);
    error SetUnknown(bytes32 operatorSet);
    error AlreadyLeaving(address operator);
    error BondLocked(uint256 withdrawableAtSec);
    error PaymentFailed(address account, uint256 amountWei);

    /// @notice Registers the caller with the sent bond. One that left and comes back approves algorithms and accepts
    /// tokens anew.
    /// @param keys None of them zero; the signer never used by another operator.
    /// @param endpoint host:port, 1 to 255 bytes.
    /// @param feeWei What the operator is paid for a job.
    /// @param possession Compact (EIP-2098) signature by the signer over EIP-712
    /// ProofOfPossession(address operator,address signer) in this contract's domain, ("Symbolon", "1").
    function register(
        OperatorKeys calldata keys,
        string calldata endpoint,
        uint80 feeWei,
        bytes32[2] calldata possession
    ) external payable;

    /// @notice Replaces keys, endpoint and fee of the caller. Jobs that are funded keep the old signer and fee.
    /// @param possession As in {register}, where the signer changes, also to an earlier one of the caller; else not read.
    function update(
        OperatorKeys calldata keys,
        string calldata endpoint,
        uint80 feeWei,
        bytes32[2] calldata possession
    ) external;

    /// @notice Adds an algorithm (the hash of its code and manifest) to those that the caller runs with the others of
    /// a set.
    function approve(bytes32 operatorSet, bytes32 algorithm) external;

    /// @notice Takes an algorithm away. Jobs that are funded are not affected.
    function revoke(bytes32 operatorSet, bytes32 algorithm) external;

    /// @notice Takes jobs that are paid in an ERC-20 token, for `fee` of its smallest units each.
    function acceptToken(address token, uint88 fee) external;

    function refuseToken(address token) external;

    /// @notice Takes no new jobs. Jobs that are funded, and all payments, are not affected.
    function pause() external;

    function resume() external;

    /// @notice Ends taking jobs and starts the delay after which the bond can be withdrawn.
    function requestUnbond() external;

    /// @notice Pays the caller its bond after the delay and removes it from the registry.
    function withdrawBond() external;

    /// @notice Makes three registered operators an operator set, in the order of their Shamir points 1, 2, 3.
    /// Anyone may do it; a second time changes nothing.
    /// @return operatorSet keccak256 of the three addresses.
    function createSet(address[3] calldata members) external returns (bytes32 operatorSet);

    /// @notice The members of a set; reverts for an unknown one.
    function setMembers(bytes32 operatorSet) external view returns (address[3] memory);

    function setExists(bytes32 operatorSet) external view returns (bool);

    function operators(address operator) external view returns (Operator memory);

    /// @notice Which members of a set run an algorithm: bit i for the one at point i + 1.
    function approvals(bytes32 operatorSet, bytes32 algorithm) external view returns (uint256);

    function isApproved(address operator, bytes32 operatorSet, bytes32 algorithm) external view returns (bool);

    /// @notice What an operator asks for a job that is paid in a token, if it takes any.
    function tokenFee(address operator, address token) external view returns (bool accepted, uint88 fee);

    /// @notice The operator that a signing key belongs to, also after the key was replaced; 0 for none.
    function operatorOf(address signer) external view returns (address);

    /// @notice The signers of three operators now, and the sum of their fees for a job. Reverts unless they are a set,
    /// all three are active, approve the algorithm in it and accept the token (zero is ETH).
    function quoteSet(address[3] calldata members, bytes32 algorithm, address token)
        external
        view
        returns (bytes32 operatorSet, address[3] memory signers, uint256 fees);

    /// @notice Takes an operator's bond, if it still has one: a tenth for the beneficiary, the rest is burnt.
    /// For {slasher}.
    /// @return bondWei What there was.
    function slash(address operator, address beneficiary) external returns (uint256 bondWei);

    /// @notice The contract that judges disputes.
    function slasher() external view returns (address);

    function minBondWei() external view returns (uint256);

    function unbondingSec() external view returns (uint256);
}
